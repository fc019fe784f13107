"""Trains with ``transformers.Trainer`` on two ranks, whole replicas and shards; run by a test through torchrun."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import DistributedType
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

from lightning_weightviz.run import schedule
from lightning_weightviz.transformers import WeightVisualizationCallback
from tests.frameworks.records import rms, save

OUT, RANK = Path(sys.argv[1]), int(os.environ["RANK"])
# By its own clock rank 1 can afford nothing: left to itself, it would have rank 0 wait for ever.
schedule.FREE_SECONDS = 1000.0 if RANK == 0 else -1000.0
WORDS = torch.from_numpy(np.random.default_rng(0).integers(0, 30, (64, 6)))


def train(how: str) -> dict[str, Any]:
    """The head's weights at the end, and whether they were spread over the ranks."""
    set_seed(0)
    config = BertConfig(
        **{"vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_labels": 3},
        **{"intermediate_size": 32, "max_position_embeddings": 6},
    )
    model = BertForSequenceClassification(config)
    arguments = TrainingArguments(
        str(OUT / how / "output"),
        **{"num_train_epochs": 3, "per_device_train_batch_size": 8, "learning_rate": 1e-2, "use_cpu": True},
        **{"ddp_backend": "gloo", "disable_tqdm": True, "report_to": "none", "seed": 1},
        save_strategy="epoch" if how == "replicas" else "no",
    )
    if how == "sharded":
        mesh = init_device_mesh("cpu", (2,))
        for part in (*model.bert.encoder.layer, model):
            fully_shard(part, mesh=mesh)
    trainer = Trainer(
        model,
        arguments,
        train_dataset=[{"input_ids": one, "labels": one[0] % 3} for one in WORDS],
        callbacks=[WeightVisualizationCallback(folder=OUT / how / f"rank{RANK}", max_overhead=1e-9)],
    )
    if how == "sharded":
        # Accelerate shards on accelerators alone; on a CPU it would wrap the shards as replicas.
        trainer.accelerator.state._shared_state["distributed_type"] = DistributedType.NO
    trainer.train()
    head = trainer.model.classifier.weight
    whole = head.full_tensor() if isinstance(head, DTensor) else head
    return {"rms": rms(whole.detach().numpy()), "spread": isinstance(head, DTensor)}


for how in ("replicas", "sharded"):
    save(OUT / f"{how}{RANK}.json", train(how))
distributed.barrier()
distributed.destroy_process_group()
