import { value } from "./late.mjs";
export const config = { from: value };
