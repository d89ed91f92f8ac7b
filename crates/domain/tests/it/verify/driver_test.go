package webhook

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestDriver(t *testing.T) {
	calls, err := os.Open(os.Getenv("CALLS"))
	if err != nil {
		t.Fatal(err)
	}
	answers, err := os.Create(os.Getenv("ANSWERS"))
	if err != nil {
		t.Fatal(err)
	}
	defer answers.Close()
	lines := bufio.NewScanner(calls)
	for lines.Scan() {
		call := strings.Split(lines.Text(), "\t")
		headers := http.Header{}
		headers.Set("webhook-id", call[1])
		headers.Set("webhook-timestamp", call[2])
		headers.Set("webhook-signature", call[3])
		body, err := base64.StdEncoding.DecodeString(call[4])
		if err != nil {
			t.Fatal(err)
		}
		now, err := strconv.ParseInt(call[5], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(answers, IsGenuine(strings.Split(call[0], " "), headers, body, time.Unix(now, 0)))
	}
}
