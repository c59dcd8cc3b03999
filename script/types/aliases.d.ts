// The other names of "@brigadecore/brigadier", for projects whose tsconfig maps
// only that one to brigadier.d.ts.

declare module "brigadier" {
  export * from "@brigadecore/brigadier";
}
declare module "brigade" {
  export * from "@brigadecore/brigadier";
}
declare module "@azure/brigadier" {
  export * from "@brigadecore/brigadier";
}
