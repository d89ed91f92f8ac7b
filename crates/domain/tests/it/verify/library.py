import base64, datetime, sys
from standardwebhooks import Webhook

calls = [line.rstrip("\n").split("\t") for line in sys.stdin]
for secret, message_id, timestamp, signatures, body in calls:
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signatures}
    try:
        Webhook(secret).verify(base64.b64decode(body), headers)
        print("true")
    except Exception:
        print("false")
secret, message_id, timestamp, _, body = calls[0]
at = datetime.datetime.fromtimestamp(int(timestamp), tz=datetime.timezone.utc)
print(Webhook(secret).sign(message_id, at, base64.b64decode(body).decode()))
