import { createRequire, isBuiltin } from "node:module";
const require2 = createRequire(import.meta.url);
export default require2("../data.json").n + " " + isBuiltin("brigadier") + " " + isBuiltin("nope") + " " + import.meta.filename.endsWith("made.mjs");
