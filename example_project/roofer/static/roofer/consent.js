/* The site's own consent banner. The choice lives in one cookie, which the server reads on every page (consent.py);
   every form that is posted carries it in four hidden fields too, and the pixel hears of it. Before a choice there
   are no fields: unknown is not denied. */
"use strict";

(() => {
  const COOKIE = "ridgeline_consent";
  const MAX_AGE = 60 * 60 * 24 * 182;
  const FIELDS = {
    ad_storage: "ads",
    ad_user_data: "ads",
    ad_personalization: "ads",
    analytics_storage: "statistics",
  };

  const banner = document.querySelector("[data-consent]");
  const find = (name) => banner.querySelector(`[data-consent-${name}]`);
  const box = (kind) => banner.querySelector(`[data-consent-kind="${kind}"]`);
  let opener = null;

  function read() {
    const found = document.cookie.match(new RegExp(`(?:^|; )${COOKIE}=ads:([01])\\.statistics:([01])(?:;|$)`));
    return found && { ads: found[1] === "1", statistics: found[2] === "1" };
  }

  function write(choice) {
    const value = `ads:${Number(choice.ads)}.statistics:${Number(choice.statistics)}`;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${COOKIE}=${value}; Max-Age=${MAX_AGE}; Path=/; SameSite=Lax${secure}`;
  }

  function signals(choice) {
    return Object.fromEntries(
      Object.entries(FIELDS).map(([field, kind]) => [field, choice[kind] ? "granted" : "denied"]),
    );
  }

  function fillForms(values) {
    for (const form of document.querySelectorAll('form[method="post"]')) {
      for (const [name, value] of Object.entries(values)) {
        let input = form.querySelector(`input[type="hidden"][name="${name}"]`);
        if (!input) {
          input = Object.assign(document.createElement("input"), { type: "hidden", name });
          form.append(input);
        }
        input.value = value;
      }
    }
  }

  function tellPixel(values) {
    if (window.OCT && typeof window.OCT.setConsent === "function") {
      window.OCT.setConsent(values);
    }
  }

  function apply() {
    const choice = read();
    if (choice) {
      fillForms(signals(choice));
      tellPixel(signals(choice));
    }
  }

  function expand(open) {
    find("choices").hidden = !open;
    find("save").hidden = !open;
    find("choose").hidden = open;
    find("choose").setAttribute("aria-expanded", String(open));
  }

  // The page ends below the banner, so that nothing stays behind it.
  function makeRoom() {
    document.documentElement.style.setProperty("--consent-height", `${banner.offsetHeight}px`);
  }

  function show({ choosing = false } = {}) {
    const choice = read() || { ads: false, statistics: false };
    box("ads").checked = choice.ads;
    box("statistics").checked = choice.statistics;
    expand(choosing);
    banner.hidden = false;
    makeRoom();
  }

  function decide(choice) {
    write(choice);
    banner.hidden = true;
    makeRoom();
    apply();
    if (opener) {
      opener.focus();
      opener = null;
    }
  }

  find("accept").addEventListener("click", () => decide({ ads: true, statistics: true }));
  find("necessary").addEventListener("click", () => decide({ ads: false, statistics: false }));
  find("save").addEventListener("click", () =>
    decide({ ads: box("ads").checked, statistics: box("statistics").checked }),
  );
  find("choose").addEventListener("click", () => {
    expand(true);
    makeRoom();
    box("ads").focus();
  });
  banner.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && read()) {
      decide(read());
    }
  });

  for (const button of document.querySelectorAll("[data-consent-open]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      opener = button;
      show({ choosing: true });
      banner.focus();
    });
  }

  if (!read()) {
    show();
  }
  apply();
  // The pixel may load later than this script.
  window.addEventListener("load", apply);
})();
