// The functions that the bundler adds are in no stack.
import { events } from "brigadier";
const show = (e: Error) => console.log(e.stack);
events.on("exec", async () => {
  try {
    for await (const x of 5 as any) console.log(x);
  } catch (e) { show(e); }
  try {
    using file = 5 as any;
    console.log(file);
  } catch (e) { show(e); }
  await (async () => { for await (const x of undefined as any) console.log(x); })();
});
