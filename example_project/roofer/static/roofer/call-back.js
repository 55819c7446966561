/* Sends the call-back form as JSON, without leaving the page. Where this script does not run, the form is posted
   as any other. */
"use strict";

(() => {
  const form = document.querySelector("[data-call-back]");
  if (!form) {
    return;
  }
  const button = form.querySelector("button");
  const result = form.querySelector("[data-call-back-result]");

  function body() {
    const { csrfmiddlewaretoken, ...data } = Object.fromEntries(new FormData(form));
    const session = window.OCT && window.OCT.getSessionId && window.OCT.getSessionId();
    if (session) {
      data.octa_sid = session;
    }
    return data;
  }

  function send(data) {
    return fetch(form.action, {
      method: "POST",
      credentials: "same-origin",
      headers: {
        "Content-Type": "application/json",
        "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
      },
      body: JSON.stringify(data),
    });
  }

  function clearErrors() {
    for (const list of form.querySelectorAll(".errorlist")) {
      list.remove();
    }
    for (const field of form.querySelectorAll(".has-errors")) {
      field.classList.remove("has-errors");
    }
    for (const input of form.querySelectorAll("[aria-invalid]")) {
      input.removeAttribute("aria-invalid");
      input.removeAttribute("aria-describedby");
    }
  }

  function showErrors(errors) {
    for (const [name, texts] of Object.entries(errors)) {
      const input = form.elements[name];
      if (!input) {
        continue;
      }
      const list = Object.assign(document.createElement("ul"), { className: "errorlist", id: `${input.id}_error` });
      for (const text of texts) {
        list.append(Object.assign(document.createElement("li"), { textContent: text }));
      }
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", list.id);
      input.closest(".field").classList.add("has-errors");
      input.closest(".field").append(list);
    }
    form.querySelector("[aria-invalid]")?.focus();
  }

  function say(text, kind) {
    result.textContent = text;
    result.className = `result notice ${kind}`;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearErrors();
    button.disabled = true;
    try {
      const response = await send(body());
      const answer = await response.json();
      if (response.ok) {
        form.reset();
        say(answer.message, "good");
      } else {
        result.className = "result";
        result.textContent = "";
        showErrors(answer.errors);
      }
    } catch {
      say("That did not get through. Please try again, or ring 0113 496 0142.", "bad");
    } finally {
      button.disabled = false;
    }
  });
})();
