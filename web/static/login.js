// Badge, then PIN. A scan is never taken for a PIN: a burst in the PIN box is refused aloud.
// Without this script the page is a plain form.
import { capture } from "./capture.js";
import { feedback } from "./feedback.js";

const form = document.getElementById("login");
const pin = document.getElementById("pin");
const pad = document.getElementById("pad");
const strip = document.getElementById("strip");

function refuse(text) {
  feedback("wrong");
  strip.dataset.tone = "wrong";
  document.getElementById("strip-icon").setAttribute("href", "#i-wrong");
  document.getElementById("strip-word").textContent = "Wrong";
  document.getElementById("urgent").textContent = text;
}

function scanned(text, isBurst) {
  if (!text) return;
  if (pin && (isBurst || !/^\d{4,6}$/.test(text))) {
    return refuse(isBurst ? "A scan is not a PIN. Key in your PIN." : "A PIN is 4 to 6 digits.");
  }
  (pin ?? document.getElementById("scan")).value = text;
  form.submit();
}

const field = pin ?? document.getElementById("scan");
const wedge = capture(field, { scan: scanned });
field.inputMode = "none";
if (pad) {
  pad.hidden = false;
  pad.addEventListener("click", ({ target }) => {
    const value = target.closest("button")?.value;
    if (value === "rub") pin.value = pin.value.slice(0, -1);
    else if (value && value !== "enter") wedge.put(value);
  });
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  wedge.commit();
});
if (strip.dataset.tone === "wrong") feedback("wrong");
if (!isSecureContext) {
  const health = document.getElementById("health");
  if (health) health.textContent = "No secure connection: pages do not open without Wi-Fi.";
}
navigator.serviceWorker?.register("/sw.js").catch(() => {});
