/** Menus are `details`; they close when one goes elsewhere, or presses Escape. */

export function startMenus() {
  const open = () => [...document.querySelectorAll("details.menu[open]")];
  const closeOthers = (target) => open().forEach((menu) => menu.contains(target) || (menu.open = false));
  document.addEventListener("pointerdown", ({ target }) => closeOthers(target));
  document.addEventListener("focusin", ({ target }) => closeOthers(target));
  document.addEventListener("keydown", (event) => {
    const [menu] = open();
    if (event.key !== "Escape" || !menu) return;
    event.preventDefault();
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
