/** What each person sets for this browser, in the menu of their name. */

const DEFAULTS = { desktop: false, sound: false, keys: true };
const KEY = "rtapp.settings";

export function setting(name, storage = globalThis.localStorage) {
  return read(storage)[name];
}

function read(storage) {
  try {
    return { ...DEFAULTS, ...JSON.parse(storage.getItem(KEY)) };
  } catch {
    return DEFAULTS;
  }
}

export function startSettings() {
  const place = document.getElementById("settings");
  place.hidden = false;
  for (const box of place.querySelectorAll("[data-setting]")) {
    box.checked = setting(box.dataset.setting);
    box.addEventListener("change", async () => {
      if (box.dataset.setting === "desktop" && box.checked) box.checked = await mayNotify();
      localStorage.setItem(KEY, JSON.stringify({ ...read(localStorage), [box.dataset.setting]: box.checked }));
    });
  }
}

async function mayNotify() {
  if (!("Notification" in globalThis)) return false;
  return (await Notification.requestPermission()) === "granted";
}
