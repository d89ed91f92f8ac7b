const { Webhook } = require("standardwebhooks");

const calls = require("node:fs").readFileSync(0, "utf8").trimEnd().split("\n").map((line) => line.split("\t"));
for (const [secret, id, timestamp, signatures, body] of calls) {
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures };
  try {
    new Webhook(secret).verify(Buffer.from(body, "base64"), headers);
    console.log("true");
  } catch {
    console.log("false");
  }
}
const [secret, id, timestamp, , body] = calls[0];
console.log(new Webhook(secret).sign(id, new Date(Number(timestamp) * 1000), Buffer.from(body, "base64")));
