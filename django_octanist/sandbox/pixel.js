/* A stand-in for Octanist's pixel: it keeps a session id and puts it into forms. It sends nothing anywhere, unless the
   site itself serves it (data-cookie-mode="server"): then it tells that site of each page view. */
(function () {
  "use strict";
  if (window.OCT && window.OCT.getSessionId) return;

  var KEY = "octa_sid";
  var script = document.currentScript;
  var options = (script && script.dataset) || {};
  var consent = { mode: options.consentMode || "auto" };
  var isServed = options.cookieMode === "server";
  var memory = "";

  function makeId() {
    // randomUUID is missing outside secure contexts, such as a phone that opens the site by its LAN address.
    if (crypto.randomUUID) return crypto.randomUUID();
    var bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    var hex = Array.from(bytes, function (byte) { return byte.toString(16).padStart(2, "0"); }).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  function getSessionId() {
    try {
      var id = sessionStorage.getItem(KEY);
      if (!id) sessionStorage.setItem(KEY, (id = memory || makeId()));
      return (memory = id);
    } catch (error) {
      // Storage is blocked: the id lasts as long as the page.
      return (memory = memory || makeId());
    }
  }

  function fill(form) {
    // A form's own properties are shadowed by inputs of the same name, so the prototype's method is called.
    var inputs = Element.prototype.querySelectorAll.call(form, 'input[name="' + KEY + '"]');
    if (!inputs.length) {
      var input = document.createElement("input");
      input.type = "hidden";
      input.name = KEY;
      Node.prototype.appendChild.call(form, input);
      inputs = [input];
    }
    inputs.forEach(function (input) {
      if (input.value !== getSessionId()) input.value = getSessionId();
    });
  }

  function fillAll() {
    document.querySelectorAll("form").forEach(fill);
  }

  function setCookie() {
    if (consent.mode !== "granted" || /(^|; )octa_cid=/.test(document.cookie)) return;
    if (isServed) {
      fetch(script.src + "?cookie=1", { credentials: "same-origin" }).catch(function () {});
      return;
    }
    document.cookie = "octa_cid=" + makeId() + "; path=/; max-age=34128000; SameSite=Lax";
  }

  function tell() {
    var event = { mid: options.id, sid: getSessionId(), type: "page_view", url: location.href };
    fetch(new URL("e", script.src), {
      method: "POST",
      keepalive: true,
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(event),
    }).catch(function () {});
  }

  window.OCT = {
    getSessionId: getSessionId,
    setConsent: function (value) {
      Object.assign(consent, typeof value === "string" ? { mode: value } : value);
      setCookie();
    },
    submitLeadForm: function () {
      console.info("Octanist sandbox: submitLeadForm() was called. The stand-in pixel sends nothing.");
      return Promise.resolve();
    },
  };

  if (options.forms === "true") {
    console.warn("Octanist sandbox: data-forms is on. The pixel would send each form a second time.");
  }
  new MutationObserver(fillAll).observe(document.documentElement, { childList: true, subtree: true });
  // Whatever a page did to the field in between, a form leaves with the session.
  document.addEventListener("submit", function (event) { fill(event.target); }, true);
  setCookie();
  fillAll();
  if (isServed) tell();
})();
