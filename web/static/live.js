// Live state by server-sent events. Every connection begins with the whole state, so a lost one costs nothing.

const RETRY_MS = 3000;
const TICK_MS = 250;

class Stream {
  // Kept open while the page is shown: phones end it in the background, and a page that comes back from
  // the back-forward cache tells so by `pageshow` only.
  constructor(address, handlers) {
    this.address = address;
    this.handlers = handlers;
    addEventListener("pageshow", (event) => event.persisted && this.open());
    addEventListener("pagehide", () => this.close());
    addEventListener("online", () => this.open());
    document.addEventListener("visibilitychange", () => document.hidden || this.open());
    this.open();
  }

  open() {
    this.close();
    this.source = new EventSource(this.address);
    this.source.onopen = () => this.handlers.connected?.(true);
    this.source.onerror = () => this.lost();
    for (const [name, handler] of Object.entries(this.handlers.events)) {
      this.source.addEventListener(name, (event) => handler(event.data));
    }
  }

  close() {
    clearTimeout(this.retry);
    this.source?.close();
  }

  lost() {
    this.handlers.connected?.(false);
    if (this.source.readyState !== EventSource.CLOSED) return;
    // Refused, not merely lost: the session may have ended. Then the page itself leads to the sign-in.
    this.retry = setTimeout(async () => {
      const page = await fetch(location.href, { redirect: "manual" }).catch(() => null);
      if (page?.type === "opaqueredirect") location.reload();
      else this.open();
    }, RETRY_MS);
  }
}

export function followCall(stage) {
  if (!stage) return;
  let offset = 0;
  const title = document.getElementById("title");
  const announcement = document.getElementById("announcement");
  const lost = document.getElementById("lost");

  function adopt() {
    const body = stage.firstElementChild;
    offset = Date.now() - Number(body.dataset.now);
    title.textContent = body.dataset.title;
    document.title = `${body.dataset.title} | Kakehashi`;
    tick(stage, offset);
    return body.dataset;
  }

  let shown = adopt().state;
  setInterval(() => tick(stage, offset), TICK_MS);
  new Stream(stage.dataset.live, {
    connected: (up) => (lost.hidden = up),
    events: {
      stage: (html) => {
        const focused = stage.contains(document.activeElement) ? document.activeElement.id : "";
        stage.innerHTML = html;
        window.htmx.process(stage);
        const { state, announce } = adopt();
        if (focused) (document.getElementById(focused) ?? document.getElementById("main")).focus();
        if (state !== shown) announcement.textContent = announce;
        shown = state;
      },
    },
  });
}

function tick(stage, offset) {
  const now = Date.now() - offset;
  for (const element of stage.querySelectorAll("[data-until]")) {
    const left = Math.max(0, (Number(element.dataset.until) - now) / 1000);
    if (element.dataset.limit) {
      element.setAttribute("stroke-dashoffset", 100 - (100 * left) / Number(element.dataset.limit));
    } else {
      element.textContent = Math.ceil(left);
    }
  }
  for (const element of stage.querySelectorAll("[data-since]")) {
    element.textContent = clock((now - Number(element.dataset.since)) / 1000);
  }
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export function followOrders(form) {
  // A call that another tab, or the API, began for this account is shown here at once.
  if (!form) return;
  const show = (data) => location.replace(`/callback/calls/${JSON.parse(data).id}`);
  const states = ["accepted", "ringing_agent", "agent_answered", "ringing_customer", "talking"];
  const stream = new Stream(form.dataset.calls, {
    events: Object.fromEntries(states.map((state) => [`call.${state}`, show])),
  });
  // An order of this page leads to its call by itself.
  form.addEventListener("submit", (event) => event.target.closest("#confirm") && stream.close());
}
