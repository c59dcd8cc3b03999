const { Job } = require("brigadier");
for (const name of ["ok", "a", "a-b.c9", "x".repeat(36), "x".repeat(37), "Upper", "-a", "a-", "a b", "", undefined, 5, "ünï"]) {
  try { new Job(name, "i"); console.log("fine", name); } catch (err) { console.log(err.name, err.message); }
}
