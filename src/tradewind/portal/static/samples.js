// A conversation as a program that runs when pasted, like portal/code_samples.py writes them for a
// single question: the real address and model, the key from the environment.

const KEY_VARIABLE = "TRADEWIND_API_KEY";

export function writeSample(language, { baseUrl, request }) {
  return { curl, python, javascript }[language](baseUrl, request);
}

function curl(baseUrl, request) {
  // One argument in single quotes; a quote inside it ends, escapes and reopens them.
  const data = JSON.stringify(request, null, 2).replaceAll("'", "'\\''");
  return `curl ${baseUrl}/chat/completions \\
  -H "Authorization: Bearer $${KEY_VARIABLE}" \\
  -H "Content-Type: application/json" \\
  -d '${data}'
`;
}

function python(baseUrl, request) {
  // Strings, numbers and lists of them: what JSON writes is Python, too.
  const fields = Object.entries(request).map(
    ([name, value]) => `    ${name}=${indented(JSON.stringify(value, null, 4), 4)},\n`,
  );
  return `# pip install openai
import os

from openai import OpenAI

client = OpenAI(
    base_url=${JSON.stringify(baseUrl)},
    api_key=os.environ["${KEY_VARIABLE}"],
)
reply = client.chat.completions.create(
${fields.join("")})
print(reply.choices[0].message.content)
`;
}

function javascript(baseUrl, request) {
  return `const response = await fetch(${JSON.stringify(`${baseUrl}/chat/completions`)}, {
  method: "POST",
  headers: {
    "Authorization": \`Bearer \${process.env.${KEY_VARIABLE}}\`,
    "Content-Type": "application/json",
  },
  body: JSON.stringify(${indented(JSON.stringify(request, null, 2), 2)}),
});
if (!response.ok) throw new Error(await response.text());
const reply = await response.json();
console.log(reply.choices[0].message.content);
`;
}

function indented(text, spaces) {
  return text.replaceAll("\n", `\n${" ".repeat(spaces)}`);
}
