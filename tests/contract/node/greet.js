// Type a message, hear an answer: the vendor's JavaScript quick start in our words, the same calls in the same order.
// Only the credential differs: a token from the environment in place of Entra ID.
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { OpenAIRealtimeError } from 'openai/realtime/internal-base';

const endpoint = process.env.AZURE_OPENAI_ENDPOINT;
const deployment = process.env.AZURE_OPENAI_DEPLOYMENT_NAME;

const reached = { created: false, updated: false, done: false };

async function reach(milestone) {
  while (!reached[milestone]) {
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

function failed(error) {
  if (error instanceof OpenAIRealtimeError) {
    console.error(`error event: ${error.message}`);
  }
  throw error;
}

function created(event) {
  console.log(`created ${event.session.id}`);
  reached.created = true;
}

function updated(event) {
  console.log(`updated ${event.session.id}`);
  reached.updated = true;
}

function heard(event) {
  console.log(`audio ${Buffer.from(event.delta, 'base64').length}`);
}

function read(event) {
  console.log(`text ${JSON.stringify(event.delta)}`);
}

function answered(event) {
  console.log(`response ${event.response.id}`);
  console.log(`final ${event.response.output[0].content[0].transcript}`);
  reached.done = true;
}

async function main() {
  const openai = new OpenAI({
    baseURL: `${endpoint.replace(/\/$/, '')}/openai/v1`,
    apiKey: process.env.FAKE_TOKEN,
  });
  const socket = await OpenAIRealtimeWS.create(openai, { model: deployment });
  socket.on('error', failed);
  socket.on('session.created', created);
  socket.on('session.updated', updated);
  socket.on('response.output_audio.delta', heard);
  socket.on('response.output_audio_transcript.delta', read);
  socket.on('response.done', answered);
  await reach('created');

  const pcm = { type: 'audio/pcm', rate: 24000 };
  const turnDetection = {
    type: 'server_vad',
    threshold: 0.5,
    prefix_padding_ms: 300,
    silence_duration_ms: 200,
    create_response: true,
  };
  socket.send({
    type: 'session.update',
    session: {
      type: 'realtime',
      instructions: 'Be brief and kind.',
      output_modalities: ['audio'],
      audio: {
        input: { transcription: { model: 'whisper-1' }, format: pcm, turn_detection: turnDetection },
        output: { voice: 'alloy', format: pcm },
      },
    },
  });
  await reach('updated');

  socket.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Greetings from Node.' }] },
  });
  socket.send({ type: 'response.create' });
  await reach('done');
  socket.close();
  console.log('completed');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
