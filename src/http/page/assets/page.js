// What the pages can do beyond HTML: stay up to date, follow a log, listen to keys.
// Nothing here makes HTML of a text: rows are built from elements, pages come from the server.
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// ---- moments ------------------------------------------------------------------------------

const rough = (seconds) => {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h${String(Math.floor(seconds / 60) % 60).padStart(2, "0")}m`;
  return `${Math.floor(seconds / 86400)}d`;
};

// How far the clock of the server is ahead of this one.
let ahead = 0;

const tick = () => {
  const now = Date.now() + ahead;
  for (const time of all("main time:not(.line time)")) {
    const seconds = Math.trunc((now - Date.parse(time.dateTime)) / 1000);
    if (Number.isNaN(seconds)) continue;
    const text = seconds === 0 ? "now" : seconds > 0 ? `${rough(seconds)} ago` : `in ${rough(-seconds)}`;
    if (time.textContent !== text) time.textContent = text;
  }
};

// ---- a page that stays up to date -----------------------------------------------------------

const status = one("#live");
const say = (text, kind) => {
  if (status.textContent === text) return;
  status.textContent = text;
  status.className = `status ${kind}`;
};

let asking = false;
let again = false;

// Asks for this page once more and takes over the parts of it that are marked.
const refresh = async () => {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    // The wish that was told of is told once.
    const place = new URL(location.href);
    place.searchParams.delete("done");
    place.searchParams.delete("tasks");
    const answer = await fetch(place, { redirect: "manual", headers: { accept: "text/html" } });
    if (answer.type === "opaqueredirect" || answer.status === 401) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const said = Date.parse(answer.headers.get("date") ?? "");
    if (Math.abs(said - Date.now()) > 5000) ahead = said - Date.now();
    take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    say("live", "live");
  } catch {
    say("not connected", "lost");
  } finally {
    asking = false;
    if (again) {
      again = false;
      soon();
    }
  }
};

const take = (fresh) => {
  const ticked = new Set(all("input[name=id]:checked").map((box) => box.value));
  const current = one("[data-row].current")?.id;
  const focus = document.activeElement?.closest("[data-part]") && document.activeElement;
  const focused = focus && { id: focus.id, href: focus.getAttribute("href"), value: focus.value };
  const open = new Map(all("[data-part] details[id]").map((part) => [part.id, part.open]));
  for (const part of all("[data-part]")) {
    const other = fresh.getElementById(part.id);
    if (other) part.replaceChildren(...other.childNodes);
  }
  for (const box of all("input[name=id]")) box.checked = ticked.has(box.value);
  if (current) document.getElementById(current)?.classList.add("current");
  for (const [id, was] of open) {
    const part = document.getElementById(id);
    if (part) part.open = was;
  }
  if (focused) {
    const same = focused.id
      ? document.getElementById(focused.id)
      : all("[data-part] a, [data-part] input").find((other) =>
          focused.href ? other.getAttribute("href") === focused.href : other.value === focused.value);
    same?.focus({ preventScroll: true });
  }
  count();
  tick();
};

const pace = Number(document.body.dataset.pace ?? 1000);
let waiting;
const soon = () => {
  waiting ??= setTimeout(() => {
    waiting = undefined;
    refresh();
  }, pace);
};

// A browser has few connections for each server: a page that nobody sees lets go of its own.
let changes;
const listen = () => {
  const place = document.body.dataset.live;
  if (!place || changes) return;
  changes = new EventSource(place);
  changes.addEventListener("open", () => {
    say("live", "live");
    // What happened while nobody listened.
    soon();
  });
  changes.addEventListener("change", soon);
  changes.addEventListener("error", () => {
    say("not connected", "lost");
    if (changes.readyState === EventSource.CLOSED) {
      changes = undefined;
      setTimeout(() => document.hidden || listen(), 3000);
    }
  });
};

// ---- a log that goes on ---------------------------------------------------------------------

const log = one("#log");
const follow = one("#follow");
const end = one("#log-end");
// How many lines stay in the page.
const KEPT = 5000;
let lines;
let next = log?.dataset.follow;
let shown = log?.childElementCount ?? 0;

const element = (name, text, className) => {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
};

const add = (line) => {
  const id = `L${line.seq}`;
  if (document.getElementById(id)) return;
  const row = element("div", "", `line ${line.kind} ${(line.level ?? "").toLowerCase()}`);
  row.id = id;
  const number = element("a", line.seq);
  number.href = `#${id}`;
  const time = element("time", line.time.slice(11, 23));
  time.dateTime = line.time;
  time.title = line.time;
  row.append(number, time, element("b", line.container), element("span", line.line));
  log.append(row);
  shown += 1;
  if (shown > KEPT) {
    log.firstElementChild.remove();
    shown -= 1;
  }
  match(row);
};

const toEnd = () => {
  if (follow.checked) log.scrollTop = log.scrollHeight;
};

const followLog = () => {
  if (!next || lines) return;
  lines = new EventSource(next);
  let drawn = false;
  lines.addEventListener("line", (event) => {
    one("#no-lines")?.remove();
    add(JSON.parse(event.data));
    next = next.replace(/after=\d+/, `after=${event.lastEventId}`);
    if (drawn) return;
    drawn = true;
    requestAnimationFrame(() => {
      drawn = false;
      toEnd();
      hits();
    });
  });
  lines.addEventListener("end", () => {
    lines.close();
    lines = undefined;
    next = undefined;
    end.textContent = "The task has ended; this is its whole log.";
    one("#follow-label").hidden = true;
    refresh();
  });
};

// The lines that hold what is searched for are marked as one types.
const search = one("#log-search");
const wanted = () => search?.value.trim().toLowerCase() ?? "";
const match = (row) => {
  const text = wanted();
  row.classList.toggle("found", text !== "" && row.lastElementChild.textContent.toLowerCase().includes(text));
};
const hits = () => {
  const found = all(".line.found", log).length;
  one("#log-hits").textContent = wanted() ? `${found} here` : "";
};

if (log) {
  if (next) {
    one("#follow-label").hidden = false;
    // Whoever scrolls up wants to read there.
    log.addEventListener("scroll", () => {
      const bottom = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
      if (follow.checked !== bottom) follow.checked = bottom;
    });
    follow.addEventListener("change", toEnd);
    toEnd();
  }
  search.addEventListener("input", () => {
    all(".line", log).forEach(match);
    hits();
    one(".line.found", log)?.scrollIntoView({ block: "nearest" });
  });
  all(".line", log).forEach(match);
  if (wanted()) hits();
}

// ---- ticks ------------------------------------------------------------------------------------

const count = () => {
  const ticked = one("#ticked");
  if (!ticked) return;
  const boxes = all("input[name=id]").filter((box) => box.checked).length;
  ticked.textContent = boxes ? `${boxes} ticked` : "";
};
document.addEventListener("change", (event) => {
  if (event.target.name === "id") count();
});

// ---- keys -------------------------------------------------------------------------------------

const help = one("#help");
const helpButton = one("#help-button");
helpButton.hidden = false;
helpButton.addEventListener("click", () => help.showModal());

const move = (by) => {
  const rows = all("[data-row], #log .line");
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("current"));
  const to = rows[Math.min(Math.max(at + by, 0), rows.length - 1)];
  rows[at]?.classList.remove("current");
  to.classList.add("current");
  to.scrollIntoView({ block: "nearest" });
};

const keys = {
  "/": () => {
    const field = one("[data-search]");
    field?.focus();
    field?.select();
  },
  "?": () => help.showModal(),
  j: () => move(1),
  k: () => move(-1),
  l: () => location.assign("/"),
  o: () => location.assign("/overview"),
  x: () => one(".current input[name=id]")?.click(),
  f: () => next && follow.click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const field = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (field) {
    if (event.key === "Escape") field.blur();
    return;
  }
  if (event.key === "Enter") {
    const link = one(".current a");
    // Whatever has the focus knows better what Enter means; but the button that closed the help may
    // have it for a moment more.
    const holder = event.target.closest("a, button, summary");
    if (link && (!holder || help.contains(holder))) link.click();
    return;
  }
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// ---- begin --------------------------------------------------------------------------------------

const wake = () => {
  if (document.hidden) {
    changes?.close();
    lines?.close();
    changes = lines = undefined;
    return;
  }
  listen();
  followLog();
};
document.addEventListener("visibilitychange", wake);
wake();
setInterval(tick, 1000);
