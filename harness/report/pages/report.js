const element = (name, values, ...children) => {
  const made = Object.assign(document.createElement(name), values);
  made.append(...children);
  return made;
};

// Highlights the series whose name is clicked.
for (const chart of document.querySelectorAll("figure.chart")) {
  const buttons = [...chart.querySelectorAll(".legend button")];
  buttons.forEach(button => button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    const chosen = new Set(buttons.filter(one => one.getAttribute("aria-pressed") === "true").map(one => one.dataset.series));
    for (const series of chart.querySelectorAll("g.series")) series.classList.toggle("faded", chosen.size > 0 && !chosen.has(series.dataset.series));
  }));
}

// Shows two stories at a time (one on a narrow screen), and lets the reader choose which.
for (const list of document.querySelectorAll(".stories")) {
  const stories = [...list.children];
  const narrow = matchMedia("(max-width: 50rem)").matches;
  if (stories.length < 2) continue;
  const sides = ["Left", "Right"].map((side, number) => {
    const choice = element("select", { ariaLabel: `${side} story` });
    if (number) choice.append(element("option", { value: "", textContent: "no other story" }));
    choice.append(...stories.map(story => element("option", { value: story.id, textContent: story.dataset.name })));
    return choice;
  });
  const show = () => {
    const chosen = sides.map(choice => choice.value);
    stories.forEach(story => { story.hidden = !chosen.includes(story.id); });
    chosen.filter(Boolean).forEach(id => list.append(document.getElementById(id)));
  };
  const follow = () => {
    const story = document.getElementById(location.hash.slice(1))?.closest(".story");
    if (story && story.hidden) { sides[0].value = story.id; show(); story.scrollIntoView(); }
  };
  sides[0].value = stories[0].id;
  const other = stories.find(story => story.dataset.model !== stories[0].dataset.model) ?? stories[1];
  sides[1].value = narrow ? "" : other.id;
  sides.forEach(choice => choice.addEventListener("change", show));
  list.before(element("p", { className: "choices" }, ...sides));
  show();
  follow();
  addEventListener("hashchange", follow);
}
