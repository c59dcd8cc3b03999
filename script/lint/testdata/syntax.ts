import { events } from "brigadier";
const a: = 1;
