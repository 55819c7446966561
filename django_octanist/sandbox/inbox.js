/* Keeps the inbox up to date: what the server rendered anew replaces what changed, and nothing else moves. */
(function () {
  "use strict";
  var PERIOD = 2000;
  var etag = '"' + document.documentElement.dataset.version + '"';

  function mergeList(list, fresh) {
    // A lead never changes, so one that is already there stays: scroll position and selection survive.
    var known = new Map(Array.from(list.children, function (item) { return [item.id, item]; }));
    Array.from(fresh.children).forEach(function (item, index) {
      var wanted = known.get(item.id) || document.importNode(item, true);
      if (!known.has(item.id)) wanted.classList.add("new");
      if (list.children[index] !== wanted) list.insertBefore(wanted, list.children[index] || null);
    });
    while (list.children.length > fresh.children.length) list.lastElementChild.remove();
  }

  function localise(page) {
    // The server knows the site's time zone; the person in front of the page has one of their own.
    page.querySelectorAll("time").forEach(function (time) {
      time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hourCycle: "h23" });
    });
  }

  function update(page) {
    localise(page);
    document.querySelectorAll("[data-live]").forEach(function (part) {
      var fresh = page.getElementById(part.id);
      if (part.dataset.live === "list") mergeList(part, fresh);
      else if (part.innerHTML !== fresh.innerHTML) part.replaceChildren.apply(part, Array.from(fresh.childNodes));
    });
    document.title = page.title;
  }

  async function refresh() {
    try {
      var response = await fetch("/", { headers: { "If-None-Match": etag }, cache: "no-store" });
      if (response.status === 200) {
        update(new DOMParser().parseFromString(await response.text(), "text/html"));
        etag = response.headers.get("ETag");
      }
      document.documentElement.classList.remove("stopped");
    } catch (error) {
      document.documentElement.classList.add("stopped");
    }
  }

  async function loop() {
    if (!document.hidden) await refresh();
    setTimeout(loop, PERIOD);
  }

  document.addEventListener("submit", async function (event) {
    event.preventDefault();
    await fetch(event.target.action, { method: "POST", body: new URLSearchParams(new FormData(event.target)) });
    await refresh();
  });
  document.addEventListener("visibilitychange", function () { if (!document.hidden) refresh(); });
  localise(document);
  setTimeout(loop, PERIOD);
})();
