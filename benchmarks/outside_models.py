"""Models of packages that nobody here wrote, as phones are given them: of images, video, sound and text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch

from benchmarks.data_dependent_init import initialize_by_data

Built = tuple[torch.nn.Module, tuple[torch.Tensor, ...]]
"""A model in evaluation mode, and what it is called with."""

_WORDS: dict[str, object] = {
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 512,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A model: of which package it is, what it is for, and what builds it."""

    name: str
    package: str
    task: str
    build: Callable[[], Built]

    @property
    def is_installed(self) -> bool:
        """Whether its package is."""
        return find_spec(self.package) is not None


class First(torch.nn.Module):
    """A model that gives the first of the tensors that another gives: what stands after it is for training."""

    def __init__(self, model: torch.nn.Module, *names: str, **options: object) -> None:
        super().__init__()
        self.model = model
        self._names = names
        self._options = options

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        """The first tensor. What is given is passed by name, if there are names for it."""
        named = dict(zip(self._names, given, strict=True)) if self._names else {}
        found = self.model(*(() if named else given), **named, **self._options)
        while not isinstance(found, torch.Tensor):
            found = found[0]
        return found


class Stream(torch.nn.Module):
    """A step of an Emformer's stream once as much was heard as it looks back: the age of its state is held, and the
    rest of it, three tensors a layer, goes from step to step."""

    def __init__(self, model: torch.nn.Module, frames: int, age: int) -> None:
        super().__init__()
        self.model: Any = model
        self.register_buffer("length", torch.tensor([frames]))
        self.register_buffer("age", torch.tensor([[age]], dtype=torch.int32))

    def forward(self, frames: torch.Tensor, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The output of the frames, and the state for the next."""
        states = [[*state[place : place + 3], self.age] for place in range(0, len(state), 3)]
        found, _, after = self.model.infer(frames, self.length, states)
        return found, *(item for layer in after for item in layer[:3])


def _of(package: str) -> Any:  # packages that are not dependencies have no types here
    return cast(Any, import_module(package))


def _timm(name: str, size: int) -> Built:
    return _of("timm").create_model(name, pretrained=False), (torch.rand(1, 3, size, size),)


def _segmentation(kind: str, encoder: str, size: int = 128) -> Built:
    model = getattr(_of("segmentation_models_pytorch"), kind)(encoder_name=encoder, encoder_weights=None, classes=5)
    return model, (torch.rand(1, 3, size, size),)


def _pytorchcv(name: str, height: int, width: int, **options: object) -> Built:
    model = _of("pytorchcv.model_provider").get_model(name, pretrained=False, in_size=(height, width), **options)
    return First(model), (torch.rand(1, 3, height, width),)


def _pose(name: str) -> Built:
    """A network of poses that gives heatmaps, in which an app looks for the joints."""
    return _pytorchcv(name, 256, 192, return_heatmap=True)


def _words(kind: str, options: Mapping[str, object] = _WORDS, model: str = "Model") -> Built:
    package = _of("transformers")
    config = getattr(package, f"{kind}Config")(**options, vocab_size=1000)
    ids, mask = torch.randint(3, 900, (1, 32)), torch.ones(1, 32, dtype=torch.long)
    mask[:, 24:] = 0
    made = getattr(package, f"{kind}{model}")(config)
    return First(made, "input_ids", "attention_mask", return_dict=False), (ids, mask)


def _encoded(kind: str, model: str, given: tuple[int, ...], **options: object) -> Built:
    package = _of("transformers")
    made = getattr(package, model)(getattr(package, f"{kind}Config")(**options))
    return First(made, return_dict=False), (torch.rand(given),)


def _torchaudio(name: str, given: tuple[int, ...], **options: object) -> Built:
    return First(getattr(_of("torchaudio.models"), name)(**options)), (torch.randn(given),)


def _yolo(name: str, kind: str) -> Built:
    model = getattr(_of("ultralytics.nn.tasks"), f"{kind}Model")(f"{name}.yaml", verbose=False)
    return First(model.requires_grad_(False)), (torch.rand(1, 3, 256, 256),)


def _rt_detr() -> Built:
    package, sizes = _of("transformers"), [32, 40, 64]
    images = package.RTDetrResNetConfig(
        embedding_size=16, hidden_sizes=[16, *sizes], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    heads = {f"{part}_attention_heads": 4 for part in ("encoder", "decoder")}
    widths = {f"{part}_ffn_dim": 128 for part in ("encoder", "decoder")}
    config = package.RTDetrConfig(
        backbone_config=images, encoder_hidden_dim=64, encoder_in_channels=sizes, d_model=64,
        decoder_in_channels=[64] * 3, num_queries=20, decoder_layers=2, **heads, **widths,
    )  # fmt: skip
    return First(package.RTDetrForObjectDetection(config), return_dict=False), (torch.rand(1, 3, 128, 128),)


def _anything() -> Built:
    """What Segment Anything computes of a photo once, whatever is asked about it."""
    package = _of("transformers")
    config = package.SamVisionConfig(
        hidden_size=64, num_hidden_layers=4, num_attention_heads=4, mlp_dim=128, image_size=256, output_channels=32,
        global_attn_indexes=[1, 3], window_size=7,
    )  # fmt: skip
    encoder = _of("transformers.models.sam.modeling_sam").SamVisionEncoder(config)
    return First(encoder, return_dict=False), (torch.rand(1, 3, 256, 256),)


def _conformer() -> Built:
    model = _of("torchaudio.models").Conformer(
        input_dim=80, num_heads=4, ffn_dim=128, num_layers=4, depthwise_conv_kernel_size=31
    )
    return First(model), (torch.randn(1, 100, 80), torch.tensor([100]))


def _emformer_of(memory: int) -> torch.nn.Module:
    made: torch.nn.Module = _of("torchaudio.models").Emformer(
        80, 4, 128, 4, segment_length=16, left_context_length=32, right_context_length=4, max_memory_size=memory
    )
    return made


def _emformer() -> Built:
    """A whole utterance, of which each segment sees a bit to its right."""
    return First(_emformer_of(0)), (torch.randn(1, 100, 80), torch.tensor([96]))


def _emformer_stream() -> Built:
    state = [torch.randn(length, 1, 80) for _ in range(4) for length in (4, 32, 32)]
    return Stream(_emformer_of(4), 20, 64), (torch.randn(1, 20, 80), *state)


def _griffin_lim() -> Built:
    """A sound of magnitudes, in few rounds that begin with phases of zero."""
    transform = _of("torchaudio.transforms").GriffinLim(n_fft=256, n_iter=8, rand_init=False)
    return transform, (torch.rand(1, 129, 40),)


def _wave_rnn() -> Built:
    model = _of("torchaudio.models").WaveRNN(
        upsample_scales=[4, 5], n_classes=64, hop_length=20, n_res_block=4, n_rnn=64, n_fc=64, n_freq=40, n_hidden=32
    )
    return model, (torch.randn(1, 1, 160), torch.randn(1, 1, 40, 12))


def _univnet() -> Built:
    package = _of("transformers")
    model = package.UnivNetModel(package.UnivNetConfig(model_hidden_channels=8))
    return First(model, "input_features", "noise_sequence", return_dict=False), (
        torch.randn(1, 20, 100),
        torch.randn(1, 20, 64),
    )


def _silero() -> Built:
    """Whether somebody speaks: the network in the file, whose state its wrapper keeps, with the state as an input."""
    spec = find_spec("silero_vad")
    folder = Path(cast(Any, spec).origin).parent
    loaded: Any = torch.jit.load(folder / "data" / "silero_vad.jit")  # type: ignore[no-untyped-call]  # no types
    return loaded._model, (torch.randn(1, 576), torch.zeros(2, 1, 128))


def _keywords() -> Built:
    """Words in a second of sound: a mel front end before small convolutions."""
    transforms = _of("torchaudio.transforms")
    mel = transforms.MelSpectrogram(sample_rate=16000, n_fft=512, hop_length=160, n_mels=40)
    body = [torch.nn.Conv2d(1, 16, 3, 2), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 3, 2), torch.nn.ReLU()]
    end = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(32, 12)]
    return torch.nn.Sequential(mel, transforms.AmplitudeToDB(), *body, *end), (torch.randn(1, 1, 16000),)


def _x3d() -> Built:
    model = _of("pytorchvideo.models.x3d").create_x3d(input_clip_length=4, input_crop_size=96, model_num_class=40)
    return model, (torch.rand(1, 3, 4, 96, 96),)


def _slow() -> Built:
    model = _of("pytorchvideo.models.resnet").create_resnet(
        model_depth=50, model_num_class=40, head_pool_kernel_size=(4, 3, 3)
    )
    return model, (torch.rand(1, 3, 4, 96, 96),)


def _monai(name: str, given: tuple[int, ...], **options: object) -> Built:
    return First(getattr(_of("monai.networks.nets"), name)(**options)), (torch.rand(given),)


def _images() -> list[Subject]:
    sizes = {
        "mobilenetv4_conv_small": 96,
        "efficientvit_b0": 128,
        "fastvit_t8": 128,
        "mobileone_s0": 96,
        "repvit_m0_9": 128,
        "ghostnetv2_100": 96,
        "levit_128s": 224,
        "tiny_vit_5m_224": 224,
        "edgenext_xx_small": 128,
        "mobilevitv2_050": 128,
        "eva02_tiny_patch14_224": 224,
        "maxvit_nano_rw_256": 256,
        "convmixer_768_32": 96,
        "resnest14d": 96,
    }
    return [Subject(name, "timm", "images", partial(_timm, name, size)) for name, size in sizes.items()]


def _attention() -> list[Subject]:
    stages = {"embed_dim": 24, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 4, 8]}
    hiera = partial(_encoded, "Hiera", "HieraModel", (1, 3, 224, 224), **stages)
    depth = partial(
        _encoded, "DPT", "DPTForDepthEstimation", (1, 3, 128, 128), **_WORDS, image_size=128,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[16, 32, 64, 64], fusion_hidden_size=32,
    )  # fmt: skip
    return [
        Subject("Hiera", "transformers", "images", hiera),
        Subject("Segment Anything's encoder", "transformers", "segmentation", _anything),
        Subject("DPT", "transformers", "depth", depth),
        Subject("RT-DETR", "transformers", "detection", _rt_detr),
    ]


def _yolos() -> list[Subject]:
    kinds = {
        ("yolov8n", "Detection"): "detection",
        ("yolo11n", "Detection"): "detection",
        ("yolo26n", "Detection"): "detection",
        ("yolov8n-seg", "Segmentation"): "segmentation",
        ("yolo11n-pose", "Pose"): "pose",
        ("rtdetr-l", "RTDETRDetection"): "detection",
    }
    return [Subject(name, "ultralytics", task, partial(_yolo, name, kind)) for (name, kind), task in kinds.items()]


def _segmenters() -> list[Subject]:
    kinds = {
        "Unet": "mobilenet_v2",
        "FPN": "resnet18",
        "DeepLabV3Plus": "mobilenet_v2",
        "Linknet": "resnet18",
        "PSPNet": "resnet18",
        "PAN": "resnet34",
        "UPerNet": "resnet18",
        "Segformer": "mit_b0",
    }
    package = "segmentation_models_pytorch"
    return [
        Subject(f"{kind} {encoder}", package, "segmentation", partial(_segmentation, kind, encoder))
        for kind, encoder in kinds.items()
    ] + [
        Subject(name, "pytorchcv", "segmentation", partial(_pytorchcv, name, 192, 256))
        for name in ("fastscnn_cityscapes", "cgnet_cityscapes", "bisenet_resnet18_celebamaskhq")
    ]


def _poses() -> list[Subject]:
    names = ("simplepose_mobile_mobilenet_w1_coco", "simplepose_resnet18_coco", "lwopenpose2d_mobilenet_cmupan_coco")
    center = partial(_pytorchcv, "centernet_resnet18_coco", 128, 128)
    return [
        *(Subject(name, "pytorchcv", "pose", partial(_pose, name)) for name in names),
        Subject("centernet_resnet18_coco", "pytorchcv", "detection", center),
    ]


def _sounds() -> list[Subject]:
    speech = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    builds: dict[str, Callable[[], Built]] = {
        "ConvTasNet": partial(_torchaudio, "ConvTasNet", (1, 1, 4000), msk_num_feats=32, msk_num_hidden_feats=64),
        "DeepSpeech": partial(_torchaudio, "DeepSpeech", (1, 1, 40, 80), n_feature=80, n_hidden=256),
        "Wav2Letter": partial(_torchaudio, "Wav2Letter", (1, 40, 200), input_type="mfcc", num_features=40),
        "Conformer": _conformer,
        "Emformer": _emformer,
        "a step of Emformer": _emformer_stream,
        "GriffinLim": _griffin_lim,
        "WaveRNN": _wave_rnn,
        "mel and convolutions": _keywords,
    }
    audio = [Subject(name, "torchaudio", "audio", build) for name, build in builds.items()]
    wav2vec = partial(_encoded, "Wav2Vec2", "Wav2Vec2Model", (1, 8000), **speech)
    whisper = partial(
        _encoded, "Whisper", "WhisperModel", (1, 80, 200), max_source_positions=100, d_model=64, encoder_layers=2,
        encoder_attention_heads=4, encoder_ffn_dim=128, decoder_layers=1, decoder_attention_heads=4,
    )  # fmt: skip
    return [
        *audio,
        Subject("Silero VAD", "silero_vad", "audio", _silero),
        Subject("Wav2Vec2", "transformers", "audio", wav2vec),
        Subject("Whisper's encoder", "transformers", "audio", partial(_encoder_of, whisper)),
        Subject("HuBERT", "transformers", "audio", partial(_encoded, "Hubert", "HubertModel", (1, 8000), **speech)),
        Subject("UnivNet", "transformers", "audio", _univnet),
    ]


def _encoder_of(build: Callable[[], Built]) -> Built:
    whole, given = build()
    return First(cast(Any, whole).model.encoder, return_dict=False), given


def _videos() -> list[Subject]:
    video = {"num_frames": 4, "image_size": 64, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
             "intermediate_size": 128}  # fmt: skip
    return [
        Subject("X3D", "pytorchvideo", "video", _x3d),
        Subject("Slow R50", "pytorchvideo", "video", _slow),
        Subject("VideoMAE", "transformers", "video",
                partial(_encoded, "VideoMAE", "VideoMAEModel", (1, 4, 3, 64, 64), **video)),
        Subject("TimeSformer", "transformers", "video",
                partial(_encoded, "Timesformer", "TimesformerModel", (1, 4, 3, 64, 64), **video)),
        Subject("3-D UNet", "monai", "volumes",
                partial(_monai, "UNet", (1, 1, 32, 32, 32), spatial_dims=3, in_channels=1, out_channels=3,
                        channels=(8, 16, 32), strides=(2, 2), num_res_units=2)),
        Subject("SegResNet", "monai", "volumes",
                partial(_monai, "SegResNet", (1, 1, 32, 32, 32), spatial_dims=3, init_filters=8, in_channels=1,
                        out_channels=3)),
    ]  # fmt: skip


def _texts() -> list[Subject]:
    builds: dict[str, Callable[[], Built]] = {
        "BERT": partial(_words, "Bert"),
        "DistilBERT": partial(_words, "DistilBert", {"dim": 128, "n_layers": 4, "n_heads": 4, "hidden_dim": 512}),
        "ALBERT": partial(_words, "Albert", {**_WORDS, "embedding_size": 64}),
        "RoBERTa": partial(_words, "Roberta"),
        "MPNet": partial(_words, "MPNet"),
        "ConvBERT": partial(_words, "ConvBert", {**_WORDS, "embedding_size": 128}),
        "MobileBERT": partial(_words, "MobileBert"),
        "ELECTRA": partial(_words, "Electra", {**_WORDS, "embedding_size": 64}),
        "GPT-2": partial(_words, "GPT2", {"n_embd": 128, "n_layer": 4, "n_head": 4, "use_cache": False}),
        "SqueezeBERT": partial(_words, "SqueezeBert", {**_WORDS, "embedding_size": 128}),
        "DeBERTa v2": partial(_words, "DebertaV2"),
        "T5's encoder": partial(
            _words, "T5", {"d_model": 128, "d_kv": 32, "d_ff": 256, "num_layers": 4, "num_heads": 4}, "EncoderModel"
        ),
    }
    return [Subject(name, "transformers", "text", build) for name, build in builds.items()]


SUBJECTS = (*_images(), *_attention(), *_yolos(), *_segmenters(), *_poses(), *_sounds(), *_videos(), *_texts())


def built(subject: Subject) -> Built:
    """The model with random weights that are the same each time, in evaluation mode, and its inputs."""
    torch.manual_seed(11)
    module, given = subject.build()
    # A model that is loaded is trained.
    return module.eval() if isinstance(module, torch.jit.ScriptModule) else initialize_by_data(module, given), given
