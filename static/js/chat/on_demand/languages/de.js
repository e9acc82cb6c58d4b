/** German. @type {import("../../types").FileWords} */
export default {
  askEmail: "Wo erreichen wir Sie, wenn Sie nicht mehr hier sind?",
  email: "Ihre E-Mail-Adresse",
  save: "Speichern",
  saved: (email) => `Danke. Wir können Ihnen an ${email} schreiben.`,
  badEmail: "Das ist keine E-Mail-Adresse.",
  notSaved: "Das konnte nicht gespeichert werden. Versuchen Sie es noch einmal.",
  remove: "Entfernen",
  file: "Datei",
  size: "Größer als 10 MB",
  type: "Solche Dateien können nicht gesendet werden",
  lost: "Nicht hochgeladen",
  failed: "Eine Datei wurde nicht hochgeladen: Versuchen Sie es erneut oder entfernen Sie sie.",
  waits: "Eine Datei ist noch unterwegs. Senden Sie gleich noch einmal.",
  count: "Eine Nachricht kann 10 Dateien haben.",
  gone: "Diese Datei konnte nicht geöffnet werden. Versuchen Sie es noch einmal.",
};
