"""A speaker made of ``pipecat-ai``, to be measured. Runs where that is installed, without speakerd.

It is our program on its public interface: its local audio transport, its OpenAI Realtime service, the service's own
turn detection and the two context aggregators, all with the sizes they have by themselves. Microphone and loudspeaker
run at the service's rate, so that nothing is resampled, and only warnings are logged. Argument: the service's URL.
"""

from __future__ import annotations

import asyncio
import sys

from loguru import logger  # type: ignore[import-not-found]  # installed in the peer's own environment
from pipecat.pipeline.pipeline import Pipeline  # type: ignore[import-not-found]  # the same
from pipecat.pipeline.worker import PipelineParams, PipelineWorker  # type: ignore[import-not-found]  # the same
from pipecat.processors.aggregators.llm_context import LLMContext  # type: ignore[import-not-found]  # the same
from pipecat.processors.aggregators.llm_response_universal import (  # type: ignore[import-not-found]  # the same
    LLMContextAggregatorPair,
)
from pipecat.services.openai.realtime.events import (  # type: ignore[import-not-found]  # the same
    AudioConfiguration,
    AudioInput,
    SessionProperties,
    TurnDetection,
)
from pipecat.services.openai.realtime.llm import (  # type: ignore[import-not-found]  # the same
    OpenAIRealtimeLLMService,
)
from pipecat.transports.local.audio import (  # type: ignore[import-not-found]  # the same
    LocalAudioTransport,
    LocalAudioTransportParams,
)
from pipecat.workers.runner import WorkerRunner  # type: ignore[import-not-found]  # the same

RATE_HZ = 24_000


async def converse(url: str) -> None:
    """Listen and speak until the process is ended."""
    transport = LocalAudioTransport(LocalAudioTransportParams(audio_in_enabled=True, audio_out_enabled=True))
    session = SessionProperties(audio=AudioConfiguration(input=AudioInput(turn_detection=TurnDetection())))
    service = OpenAIRealtimeLLMService(
        api_key="local",
        base_url=url,
        settings=OpenAIRealtimeLLMService.Settings(
            model="gpt-realtime", system_instruction="Be brief.", session_properties=session
        ),
    )
    user, assistant = LLMContextAggregatorPair(LLMContext())
    worker = PipelineWorker(
        Pipeline([transport.input(), user, service, transport.output(), assistant]),
        params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ),
        idle_timeout_secs=None,
    )

    runner = WorkerRunner(handle_sigterm=True)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    asyncio.run(converse(sys.argv[1]))
