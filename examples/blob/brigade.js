// A file arrives in a storage account; its CloudEvent starts a build. A gateway
// may name the event by the CloudEvent's own type.
const { events, Job } = require("brigadier");

events.on("Microsoft.Storage.BlobCreated", (e, project) => {
  const event = JSON.parse(e.payload);
  const url = new URL(event.data.url);
  console.log(`a file came from ${event.source}`);

  const work = new Job("process-blob", "alpine:3.20");
  work.env = {
    BLOB_NAME: url.pathname.split("/").pop(),
    BLOB_SIZE: String(event.data.contentLength),
    BLOB_TYPE: event.data.contentType,
  };
  work.tasks = ['echo "$BLOB_NAME: $BLOB_SIZE bytes of $BLOB_TYPE"'];
  work.run().then((result) => console.log("done: " + result.toString().trim()));
});
