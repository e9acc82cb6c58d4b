/** English. Another language is a file like this one, with the same names. */
export default {
  askEmail: "Where can we reach you when you have left?",
  email: "Your email address",
  save: "Save",
  saved: (/** @type {string} */ email) => `Thank you. We can write to you at ${email}.`,
  badEmail: "That is no email address.",
  notSaved: "That could not be saved. Try again.",
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
