/** English. Another language is a file like this one, with the same names. */
export default {
  remove: "Remove",
  file: "File",
  size: "Larger than 10 MB",
  type: "This kind of file can't be sent",
  lost: "Not uploaded",
  failed: "A file was not uploaded: try it again, or remove it.",
  waits: "A file is still on its way. Send it in a moment.",
  count: "A message can have 10 files.",
  gone: "This file could not be opened. Try again.",
};
