// The pieces of a build: shown by book and reason, kept or dropped; the server writes each decision to the file.
(() => {
  const pieces = JSON.parse(document.getElementById("data").textContent);
  const [book, kind, search, list, count, saved, none] =
    ["book", "kind", "search", "pieces", "count", "saved", "none"].map(id => document.getElementById(id));
  const made = (name, text, className) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };
  const options = (select, values) => values.forEach(value => select.append(new Option(value, value)));
  const different = name => [...new Set(pieces.map(piece => piece[name]))].filter(Boolean).sort();
  options(book, different("book"));
  options(kind, different("kind"));

  const decide = async (piece, box, article) => {
    const keep = box.checked;
    box.disabled = true;
    try {
      const answer = await fetch("/keep", {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ id: piece.id, keep, title: piece.title }),
      });
      const said = await answer.text();
      if (!answer.ok) throw new Error(said);
      piece.keep = keep;
      saved.textContent = `${piece.title}: ${said}, and written to review.csv.`;
      saved.className = "soft";
    } catch (error) {
      box.checked = piece.keep;
      saved.textContent = error instanceof TypeError ? "The server does not answer; nothing was changed." : error.message;
      saved.className = "bad";
    }
    box.disabled = false;
    article.classList.toggle("kept", piece.keep);
    tell();
  };

  const read = async (piece, details) => {
    if (!details.open || details.childElementCount > 1) return;
    const answer = await fetch(`/text?id=${encodeURIComponent(piece.id)}`);
    const text = made("div", await answer.text(), "text");
    text.dir = "auto";
    text.tabIndex = 0;
    details.append(text);
  };

  pieces.forEach(piece => {
    const article = made("article", undefined, piece.keep ? "piece kept" : "piece");
    const box = made("input");
    box.type = "checkbox";
    box.checked = piece.keep;
    box.addEventListener("change", () => decide(piece, box, article));
    const label = made("label");
    label.append(box, "keep");
    const facts = made("p", `${piece.words.toLocaleString("en")} words · ${piece.book}`, "soft");
    const details = made("details");
    details.append(made("summary", "Read it"));
    details.addEventListener("toggle", () => read(piece, details));
    article.append(made("h2", piece.title), facts);
    if (piece.reason) article.append(made("p", `The filters say: ${piece.reason}`, "bad"));
    article.append(made("p", piece.first, "lines"), made("p", `… ${piece.last.replace(/^…/, "")}`, "lines"), label, details);
    article.querySelectorAll("h2, .lines").forEach(element => { element.dir = "auto"; });
    piece.article = article;
    list.append(article);
  });

  const tell = () => {
    const shown = pieces.filter(piece => !piece.article.hidden);
    const kept = pieces.filter(piece => piece.keep).length;
    count.textContent = `${kept} of ${pieces.length} pieces are kept; ${shown.length} are shown.`;
    none.hidden = shown.length > 0;
  };
  const filter = () => {
    const words = search.value.toLowerCase();
    pieces.forEach(piece => {
      const fits = kind.value === "" || (kind.value === "+" ? piece.keep : kind.value === "-" ? !piece.keep : piece.kind === kind.value);
      const said = `${piece.title} ${piece.first} ${piece.last}`.toLowerCase();
      piece.article.hidden = !(fits && (book.value === "" || piece.book === book.value) && said.includes(words));
    });
    tell();
  };
  [book, kind].forEach(select => select.addEventListener("change", filter));
  search.addEventListener("input", filter);
  document.querySelector("form").addEventListener("submit", event => event.preventDefault());
  filter();
})();
