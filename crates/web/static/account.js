// Offers the browser's time zone to whoever has chosen none; it never chooses by itself.

const offer = document.getElementById("browser-zone");
const field = document.getElementById("zone");
const name = Intl.DateTimeFormat().resolvedOptions().timeZone;

if (offer && field && name && field.value !== name) {
  const button = offer.querySelector("[data-fills]");
  button.textContent = name;
  button.addEventListener("click", () => {
    field.value = name;
    offer.hidden = true;
    field.focus();
  });
  offer.hidden = false;
}
