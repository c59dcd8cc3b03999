const { events } = require("brigadier");
const f = (...a) => console.log("f", a.length);
events.on("newListener", (name) => console.log("new", String(name)));
events.on("x", f).on("x", f).once("x", f);
console.log(events.listenerCount("x"), events.listeners("x").length, events.listeners("x").every(l => l === f), events.rawListeners("x")[2].listener === f);
console.log(events.emit("x", 1, 2), events.listenerCount("x"), events.emit("y"));
events.off("x", f);
console.log(events.listenerCount("x"));
events.removeAllListeners("x");
console.log(events.emit("x"), events.eventNames().map(String).join());
const order = [];
events.on("z", () => { order.push("a"); events.removeAllListeners("z"); });
events.on("z", () => order.push("b"));
events.emit("z");
console.log(order.join(), events.listenerCount("z"));
try { events.on("x", "no function"); } catch (e) { console.log(e.name, e.code); }
try { events.emit("error", new Error("thrown")); } catch (e) { console.log(e.message); }
events.removeAllListeners();
console.log(events.eventNames().length);
