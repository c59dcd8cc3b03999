import { events } from "brigadier";
const x: number = ;
events.on("exec", () => {});
