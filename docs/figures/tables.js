// Gives each cell the name of its column, which a phone shows beside it; see figures.css.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("article table.docutils")) {
    const columns = [...table.querySelectorAll("thead th")].map((heading) => heading.textContent.trim());
    if (columns.length < 3) continue;
    table.classList.add("stacked");
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.children].forEach((cell, index) => {
        cell.dataset.column = columns[index];
        cell.classList.toggle("empty", cell.textContent.trim() === "");
      });
    }
  }
});
