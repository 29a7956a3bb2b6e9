"""The verification of docs/integration.md in other languages, as programs that answer a list.

Each is told headers by headers, the secret and the body, and prints true or false for each.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.partner.snippets import snippets

Headers = dict[str, str]

NODE = """
const { secret, body, asked } = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(asked.map((headers) => verify(secret, headers, Buffer.from(body))).join(" "));
"""
PHP = """
$told = json_decode(stream_get_contents(STDIN), true);
foreach ($told['asked'] as $headers) {
    echo verify($told['secret'], $headers, $told['body']) ? 'true ' : 'false ';
}
"""
GO = """
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"partner/webhooks"
)

func main() {
	var told struct {
		Secret, Body string
		Asked        []map[string]string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&told); err != nil {
		panic(err)
	}
	for _, headers := range told.Asked {
		header := http.Header{}
		for name, value := range headers {
			header.Set(name, value)
		}
		fmt.Print(webhooks.Verify(told.Secret, header, []byte(told.Body)), " ")
	}
}
"""
# Java reads no JSON by itself: what is asked is written into the program.
JAVA = """
public class Main {
    public static void main(String[] secret) throws Exception {
        byte[] body = System.in.readAllBytes();
%s
    }
}
"""


def run(language: str, folder: Path, secret: str, body: bytes, asked: Sequence[Headers]) -> str:
    """What the program printed."""
    told = json.dumps({"secret": secret, "body": body.decode(), "asked": asked}).encode()
    shown = snippets({"node": "javascript"}.get(language, language))[0]
    if language == "node":
        command = ["node", "-e", shown + NODE]
    elif language == "php":
        command = ["php", "-r", shown + PHP]
    elif language == "java":
        told = body
        (folder / "Main.java").write_text(_java(shown, asked))
        command = ["java", str(folder / "Main.java"), secret]
    else:
        (folder / "webhooks").mkdir()
        (folder / "go.mod").write_text("module partner\n\ngo 1.19\n")
        (folder / "main.go").write_text(GO)
        (folder / "webhooks" / "webhooks.go").write_text(shown)
        command = ["go", "run", "."]
    done = subprocess.run(command, cwd=folder, input=told, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def _java(shown: str, asked: Sequence[Headers]) -> str:
    """The imports, a program of ours, and the class."""
    imports, _, rest = shown.partition("final class")
    calls: list[str] = []
    for headers in asked:
        entries = ", ".join(
            f"Map.entry({json.dumps(name)}, {json.dumps(value)})" for name, value in headers.items()
        )
        call = f"Webhooks.verify(secret[0], Map.ofEntries({entries}), body)"
        calls.append(f'        System.out.print({call} + " ");')
    return imports + JAVA % "\n".join(calls) + "final class" + rest
