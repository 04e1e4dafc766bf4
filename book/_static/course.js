// What the built site does without a kernel: figures with sliders, predictions, small repairs.

// A figure whose frames were drawn when the book was built (amazonian.course.figures).
customElements.define("course-explore", class extends HTMLElement {
  connectedCallback() {
    if (document.readyState === "loading") {
      document.addEventListener("DOMContentLoaded", () => this.start());
    } else {
      this.start();
    }
  }

  start() {
    const data = JSON.parse(this.querySelector("script").textContent);
    const drawings = ["wide", "narrow"].map(of => [data[of], this.querySelector(`.frame.${of}`)]);
    const status = this.querySelector("[role=status]");
    const inputs = [...this.querySelectorAll("input")];
    const outputs = [...this.querySelectorAll("output")];
    const show = () => {
      let at = 0;
      inputs.forEach((input, i) => {
        const shown = data.values[i][+input.value];
        at = at * data.values[i].length + +input.value;
        outputs[i].textContent = shown;
        input.setAttribute("aria-valuetext", shown);
      });
      for (const [drawing, frame] of drawings) {
        const lines = drawing.base.slice();
        for (const [line, text] of Object.entries(drawing.frames[at])) lines[line] = text;
        frame.innerHTML = lines.join("\n");
      }
      status.textContent = data.texts[at];
    };
    inputs.forEach(input => input.addEventListener("input", show));
    this.querySelector(".controls").hidden = false;
  }
});

document.addEventListener("DOMContentLoaded", () => {
  // A prediction: what the reader commits to is repeated beside the outcome further down.
  document.querySelectorAll("form.course-predict").forEach(form => {
    const outcome = document.querySelector(`[data-predict="${form.id}"]`);
    const status = form.querySelector("[role=status]");
    form.addEventListener("submit", event => {
      event.preventDefault();
      const said = new FormData(form).get(form.id);
      if (!said) {
        status.textContent = "Choose or write an answer first.";
        return;
      }
      const unit = form.dataset.unit ? " " + form.dataset.unit : "";
      status.textContent = `Noted: ${said}${unit}. Read on.`;
      if (outcome) {
        outcome.querySelector(".course-said").textContent = `You said ${said}${unit}. `;
      }
    });
  });

  // What axe-core finds in sphinx-book-theme 1.3 and myst-nb 1.4.
  document.querySelectorAll(".search-button__button, .search-button").forEach(button =>
    button.setAttribute("aria-label", button.textContent.replace(/\s+/g, " ").trim() || "Search"));
  document.querySelectorAll("details.hide summary[aria-label]").forEach(summary =>
    summary.removeAttribute("aria-label"));
  document.querySelectorAll(".bd-sidebar-primary li.has-children").forEach(item => {
    const page = item.querySelector("a").textContent.trim();
    item.querySelector("details > summary")?.setAttribute("aria-label", `Pages of ${page}`);
  });
  document.querySelectorAll(".theme-switch-button svg").forEach(icon => {
    icon.removeAttribute("aria-labelledby");
    icon.querySelector("title")?.remove();
    icon.setAttribute("aria-hidden", "true");
  });
  const brand = document.querySelector(".sidebar-primary-items__start > .sidebar-primary-item");
  brand?.setAttribute("role", "region");
  brand?.setAttribute("aria-label", "Title of the book");
  // What scrolls must be reachable by keyboard.
  document.querySelectorAll("div.highlight pre, .cell_output pre, .bd-content .table-wrap")
    .forEach(block => block.setAttribute("tabindex", "0"));
});
