/** German. @type {import("../../types").FileWords} */
export default {
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
