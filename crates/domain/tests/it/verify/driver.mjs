
import { readFileSync } from "node:fs";

for (const line of readFileSync(0, "utf8").trimEnd().split("\n")) {
  const [keys, id, timestamp, signatures, body, now] = line.split("\t");
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures };
  console.log(isGenuine(keys.split(" "), headers, Buffer.from(body, "base64"), Number(now)));
}
