// The official OpenAI client for JavaScript, from the list of models to a stream that is hung up on.
//
// Told as chapters.py tells: one line of JSON for each chapter, without a judgement.

import OpenAI, { AzureOpenAI } from 'openai';

const {
  TRADEWIND_URL: url,
  TRADEWIND_KEY: key,
  TRADEWIND_LIMITED_KEY: limitedKey,
  TRADEWIND_LIMITED_KEY_REQUESTS: mostCallsOfAMinute,
  TRADEWIND_MODEL: model,
  TRADEWIND_EMBEDDINGS_MODEL: embeddingsModel,
} = process.env;

const settings = { baseURL: `${url}/v1`, apiKey: key, timeout: 120_000, maxRetries: 0 };
const client = new OpenAI(settings);

const hello = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Say hello to the harbour master.' },
];
const berth = {
  type: 'object',
  properties: { harbour: { type: 'string', enum: ['Oslo', 'Lisbon'] }, nights: { type: 'integer' } },
  required: ['harbour', 'nights'],
  additionalProperties: false,
};
const book = {
  type: 'function',
  function: { name: 'book_berth', description: 'Book a berth in a harbour.', parameters: berth },
};

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return {
      type: error.constructor.name,
      status: error.status,
      code: error.code,
      request_id: error.requestID,
    };
  }
  return { type: null };
}

const chapters = {
  async models() {
    const ids = [];
    for await (const each of client.models.list()) ids.push(each.id);
    return { ids, owned_by: (await client.models.retrieve(model)).owned_by };
  },

  async chat() {
    const { data, response } = await client.chat.completions
      .create({ model, messages: hello, max_tokens: 16, temperature: 0 })
      .withResponse();
    return {
      model: data.model,
      text: data.choices[0].message.content,
      finish_reason: data.choices[0].finish_reason,
      usage: data.usage,
      request_id: data._request_id,
      cost: response.headers.get('x-tradewind-cost'),
    };
  },

  async stream() {
    const stream = await client.chat.completions.create({
      model,
      messages: hello,
      max_tokens: 12,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return {
      text: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join(''),
      output_tokens: chunks.at(-1).usage?.completion_tokens,
      last_choices: chunks.at(-1).choices.length,
    };
  },

  async stream_helper() {
    const stream = client.chat.completions.stream({
      model,
      messages: hello,
      max_tokens: 12,
      temperature: 0,
    });
    return { text: await stream.finalContent() };
  },

  async forced_tool() {
    const asked = { role: 'user', content: 'A berth in Oslo for 2 nights, please.' };
    const first = await client.chat.completions.create({
      model,
      messages: [asked],
      tools: [book],
      tool_choice: { type: 'function', function: { name: 'book_berth' } },
      max_tokens: 80,
      temperature: 0,
    });
    const { message, finish_reason } = first.choices[0];
    const [call] = message.tool_calls;
    const second = await client.chat.completions.create({
      model,
      messages: [asked, message, { role: 'tool', tool_call_id: call.id, content: 'Berth 7.' }],
      max_tokens: 8,
      temperature: 0,
    });
    return {
      finish_reason,
      name: call.function.name,
      arguments: JSON.parse(call.function.arguments),
      then: second.choices[0].message.content,
    };
  },

  async json_schema() {
    const answer = await client.chat.completions.parse({
      model,
      messages: [{ role: 'user', content: 'A berth in Oslo for 2 nights, as JSON.' }],
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'berth', schema: berth, strict: true },
      },
      max_tokens: 60,
      temperature: 0,
    });
    return { parsed: JSON.parse(answer.choices[0].message.content) };
  },

  async options() {
    const ask = (changes) =>
      client.chat.completions.create({
        model,
        messages: hello,
        max_tokens: 16,
        temperature: 0,
        seed: 7,
        ...changes,
      });
    const whole = (await ask({})).choices[0].message.content;
    const word = whole.split(' ')[3];
    const stopped = await ask({ stop: [word] });
    const two = await ask({ n: 2, temperature: 1.5, max_tokens: 4 });
    const probable = await ask({ logprobs: true, top_logprobs: 2, max_tokens: 4 });
    const limited = await ask({ max_tokens: undefined, max_completion_tokens: 5 });
    return {
      choices: two.choices.length,
      logprobs: probable.choices[0].logprobs.content.length,
      stopped: stopped.choices[0].message.content.trimEnd(),
      expected: whole.slice(0, whole.indexOf(word)).trimEnd(),
      limited: [limited.choices[0].finish_reason, limited.usage.completion_tokens],
    };
  },

  // The client asks for base64 by itself and decodes it.
  async embeddings() {
    const decoded = await client.embeddings.create({ model: embeddingsModel, input: 'one' });
    const floats = await client.embeddings.create({
      model: embeddingsModel,
      input: 'one',
      encoding_format: 'float',
    });
    return { default: decoded.data[0].embedding, float: floats.data[0].embedding };
  },

  async responses() {
    const first = await client.responses.create({
      model,
      input: 'My name is Ada.',
      max_output_tokens: 16,
      temperature: 0,
    });
    const kept = await client.responses.retrieve(first.id);
    const events = await client.responses.create({
      model,
      input: 'What is my name?',
      previous_response_id: first.id,
      max_output_tokens: 12,
      temperature: 0,
      stream: true,
    });
    const types = [];
    let last;
    for await (const event of events) types.push((last = event).type);
    await client.responses.delete(first.id);
    return {
      text: first.output_text,
      kept: kept.output_text,
      types,
      input_tokens: [first.usage.input_tokens, last.response.usage.input_tokens],
      deleted: await refusal(() => client.responses.retrieve(first.id)),
    };
  },

  async azure() {
    const deployed = new AzureOpenAI({
      endpoint: url,
      apiKey: key,
      apiVersion: '2024-10-21',
      maxRetries: 0,
    });
    const ask = (name) =>
      deployed.chat.completions.create({
        model: name,
        messages: hello,
        max_tokens: 12,
        temperature: 0,
      });
    return {
      text: (await ask(model)).choices[0].message.content,
      unknown: await refusal(() => ask('gpt-that-is-not-there')),
    };
  },

  async refusals() {
    const wrongKey = key.slice(0, -1) + (key.endsWith('x') ? 'y' : 'x');
    const ask = (who, changes) =>
      refusal(() =>
        who.chat.completions.create({ model, messages: hello, max_tokens: 4, ...changes }),
      );
    return {
      wrong_key: await ask(client.withOptions({ apiKey: wrongKey })),
      unknown_model: await ask(client, { model: 'nobody/nothing' }),
      too_long: await ask(client, {
        messages: [{ role: 'user', content: 'hello world '.repeat(12_000) }],
      }),
      no_tokens: await ask(client, { max_tokens: 0 }),
    };
  },

  async patience() {
    const tries = [];
    const counting = async (...request) => {
      const answer = await fetch(...request);
      tries.push(answer.status);
      return answer;
    };
    const hasty = new OpenAI({ ...settings, apiKey: limitedKey });
    const patient = new OpenAI({ ...settings, apiKey: limitedKey, maxRetries: 2, fetch: counting });
    const embed = (who) => who.embeddings.create({ model: embeddingsModel, input: 'a' });
    let refused = null;
    for (let calls = 0; refused === null && calls < 2 * Number(mostCallsOfAMinute); calls++) {
      try {
        await embed(hasty);
      } catch (error) {
        if (!(error instanceof OpenAI.RateLimitError)) throw error;
        refused = { code: error.code, headers: Object.fromEntries(error.headers) };
      }
    }
    await embed(patient);
    return { refused, tries };
  },

  async hang_up() {
    const { data: stream, response } = await client.chat.completions
      .create({
        model,
        messages: [{ role: 'user', content: 'Write a very long story of the sea.' }],
        max_tokens: 2000,
        temperature: 1.2,
        stream: true,
      })
      .withResponse();
    let pieces = 0;
    // Leaving the loop aborts the request.
    for await (const chunk of stream) {
      pieces += chunk.choices[0]?.delta.content ? 1 : 0;
      if (pieces === 5) break;
    }
    return { pieces, request_id: response.headers.get('x-request-id') };
  },
};

for (const [chapter, tells] of Object.entries(chapters)) {
  const began = performance.now();
  let line;
  try {
    line = { saw: await tells() };
  } catch (error) {
    line = { broke_off: error.stack };
  }
  const took_s = Math.round(performance.now() - began) / 1000;
  console.log(JSON.stringify({ chapter, took_s, ...line }));
}
