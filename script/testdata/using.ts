// What is declared with using is disposed of at the end of its block.
import { events } from "brigadier";
class Handle implements Disposable {
  constructor(readonly name: string) {}
  [Symbol.dispose]() { console.log("closed", this.name); }
}
events.on("exec", async () => {
  {
    using a = new Handle("a"), b = new Handle("b");
    console.log("open", a.name, b.name);
  }
  { await using c = { async [Symbol.asyncDispose]() { console.log("closed c"); } }; }
  console.log(String(Symbol.dispose), new Date(0).toGMTString(), new Date(0).getYear());
});
