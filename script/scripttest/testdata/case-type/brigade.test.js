export default [{ name: "x", event: {} }]
