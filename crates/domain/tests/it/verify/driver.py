
import sys

for line in sys.stdin:
    keys, message_id, timestamp, signatures, body, now = line.rstrip("\n").split("\t")
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signatures}
    print(str(is_genuine(keys.split(" "), headers, base64.b64decode(body), int(now))).lower())
