// The vendor's TypeScript quick start in our words: the same calls in the same order, checked by the SDK's own types.
// Only the credential differs: a token from the environment in place of Entra ID.
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { OpenAIRealtimeError } from 'openai/realtime/internal-base';
import {
  RealtimeSessionCreateRequest,
  ResponseAudioDeltaEvent,
  ResponseAudioTranscriptDeltaEvent,
  ResponseDoneEvent,
  SessionCreatedEvent,
  SessionUpdatedEvent,
} from 'openai/resources/realtime/realtime';

type Milestone = 'created' | 'updated' | 'done';

const reached: Record<Milestone, boolean> = { created: false, updated: false, done: false };

async function reach(milestone: Milestone): Promise<void> {
  while (!reached[milestone]) {
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) {
    throw new Error(`${name} is not set`);
  }
  return value;
}

function failed(error: OpenAIRealtimeError): void {
  console.error(`error event: ${error.message}`);
  throw error;
}

function opened(milestone: 'created' | 'updated', event: SessionCreatedEvent | SessionUpdatedEvent): void {
  console.log(`${milestone} ${'id' in event.session ? event.session.id : ''}`);
  reached[milestone] = true;
}

function heard(event: ResponseAudioDeltaEvent): void {
  console.log(`audio ${Buffer.from(event.delta, 'base64').length}`);
}

function read(event: ResponseAudioTranscriptDeltaEvent): void {
  console.log(`text ${JSON.stringify(event.delta)}`);
}

function answered(event: ResponseDoneEvent): void {
  const item = event.response.output?.[0];
  const said = item?.type === 'message' ? (item.content[0] as { transcript?: string }).transcript : undefined;
  console.log(`response ${event.response.id}`);
  console.log(`final ${said}`);
  reached.done = true;
}

async function main(): Promise<void> {
  const endpoint = setting('AZURE_OPENAI_ENDPOINT');
  const openai = new OpenAI({
    baseURL: `${endpoint.replace(/\/$/, '')}/openai/v1`,
    apiKey: setting('FAKE_TOKEN'),
  });
  const socket = await OpenAIRealtimeWS.create(openai, { model: setting('AZURE_OPENAI_DEPLOYMENT_NAME') });
  socket.on('error', failed);
  socket.on('session.created', (event) => opened('created', event));
  socket.on('session.updated', (event) => opened('updated', event));
  socket.on('response.output_audio.delta', heard);
  socket.on('response.output_audio_transcript.delta', read);
  socket.on('response.done', answered);
  await reach('created');

  const session: RealtimeSessionCreateRequest = {
    type: 'realtime',
    instructions: 'Be brief and kind.',
    output_modalities: ['audio'],
    audio: {
      input: {
        transcription: { model: 'whisper-1' },
        format: { type: 'audio/pcm', rate: 24000 },
        turn_detection: {
          type: 'server_vad',
          threshold: 0.5,
          prefix_padding_ms: 300,
          silence_duration_ms: 200,
          create_response: true,
        },
      },
      output: { voice: 'alloy', format: { type: 'audio/pcm', rate: 24000 } },
    },
  };
  socket.send({ type: 'session.update', session });
  await reach('updated');

  socket.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Greetings from TypeScript.' }] },
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
