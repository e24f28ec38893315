"use strict";
// Sorts a table by the column whose heading is clicked: by the first number in a cell or as text; missing numbers last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => {
      const text = row.cells[column].innerText.trim();
      const number = parseFloat(text.replace(/^[^\d-]+(?=\d)/, "").replace(/,/g, ""));
      return { text, number };
    };
    const rows = [...table.tBodies[0].rows].map(row => ({ row, ...key(row) }));
    const numeric = head.classList.contains("right");
    rows.sort((a, b) => {
      if (!numeric) return (down ? -1 : 1) * a.text.localeCompare(b.text, undefined, { numeric: true });
      if (isNaN(a.number) || isNaN(b.number)) return isNaN(a.number) - isNaN(b.number);
      return (down ? -1 : 1) * (a.number - b.number);
    });
    table.tBodies[0].append(...rows.map(entry => entry.row));
  }));
}

// Shows only the table rows that contain the typed text.
for (const table of document.querySelectorAll("table.filterable")) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < 6) continue;
  const box = Object.assign(document.createElement("input"), { type: "search", placeholder: "Filter rows", ariaLabel: "Filter rows" });
  const count = Object.assign(document.createElement("output"), { className: "soft" });
  const line = Object.assign(document.createElement("p"), { className: "filter" });
  line.append(box, " ", count);
  box.addEventListener("input", () => {
    const wanted = box.value.trim().toLowerCase();
    rows.forEach(row => { row.hidden = !row.textContent.toLowerCase().includes(wanted); });
    count.textContent = wanted ? `${rows.filter(row => !row.hidden).length} of ${rows.length}` : "";
  });
  table.closest(".scroll").before(line);
}
