export default [{ evnt: { type: "push" } }]
