"""Writes tests/fixtures/oracle/sentences/: small random sentence models as sentence-transformers saves them, and in
sentences.json the vectors that it gives to odd texts.

Needs: sentence-transformers==6.2.0 transformers==5.23.0 tokenizers==0.23.3 torch==2.15.0
Run from the repository's root: python -P tools/oracle/sentences.py (-P, since statistics.py beside it is not Python's own)
"""

import json
import pathlib
import shutil
import tempfile

import sentence_transformers
import tokenizers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules as models
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE, WordPiece
from transformers import (BertConfig, BertModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel, XLMRobertaConfig,
                          XLMRobertaModel)

FOLDER = pathlib.Path("tests/fixtures/oracle/sentences")
TEXTS = [
    "basic", "plus", "", " ", "Ünlimited 🚀", "never seen", "null", "a,b", "The cat sat on the mat.", "the CAT sat", "don't!",
    "日本語 text", "tab\tand\nline", "word " * 40, "\u0000\ufffd", "cafe\u0301 café", "The cat sat on the mat.",
    "a <pad> b", "[SEP] x </s> [PAD]", "ΟΔΟΣ",
]
CORPUS = TEXTS + ["the quick brown fox jumps over the lazy dog", "service was slow", "great value, would buy again", "broken on arrival"]
SMALL = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12)
torch.manual_seed(20261121)


def word_piece():
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False))
    ends = [(name, tokenizer.token_to_id(name)) for name in ["[CLS]", "[SEP]"]]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends)
    # What a saved tokenizer says of its own limits must not matter.
    tokenizer.enable_padding(length=9)
    tokenizer.enable_truncation(5)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")


def byte_pairs():
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=290, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", cls_token="<s>", sep_token="</s>", bos_token="<s>", eos_token="</s>", mask_token="<mask>")


def shaken(model):
    # Norms and biases begin as ones and zeros, which would hide mistakes.
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.3)
    return model.eval()


def transformer(model, tokenizer, length):
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return models.Transformer(folder, max_seq_length=length)


def saved(name, parts):
    model = SentenceTransformer(modules=parts, device="cpu").eval()
    target = FOLDER / name
    shutil.rmtree(target, ignore_errors=True)
    model.save_pretrained(str(target), create_model_card=False)
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return SentenceTransformer(str(target), device="cpu").eval()


bert = transformer(shaken(BertModel(BertConfig(vocab_size=120, max_position_embeddings=24, **SMALL))), word_piece(), 20)
roberta = transformer(
    shaken(XLMRobertaModel(XLMRobertaConfig(vocab_size=290, max_position_embeddings=26, type_vocab_size=1, pad_token_id=1, hidden_act="gelu_new", **SMALL))),
    byte_pairs(), 24,
)
width = bert.get_word_embedding_dimension()
built = {
    "bert": saved("bert", [bert, models.Pooling(width, pooling_mode="mean"), models.Normalize()]),
    "roberta": saved("roberta", [roberta, models.Pooling(width, pooling_mode_cls_token=True, pooling_mode_mean_tokens=False, pooling_mode_max_tokens=True),
                                 shaken(models.Dense(2 * width, 5))]),
}


def old_layout(model, tokenizer):
    # As the first versions wrote it: a folder for the language model, its limit in a file of its own, switches for the pooling.
    target = FOLDER / "old"
    shutil.rmtree(target, ignore_errors=True)
    first = target / "0_Transformer"
    model.save_pretrained(str(first))
    tokenizer.save_pretrained(str(first))
    written = {
        "modules.json": [{"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
                         for place, (path, kind) in enumerate([("0_Transformer", "Transformer"), ("1_Pooling", "Pooling")])],
        "0_Transformer/sentence_roberta_config.json": {"max_seq_length": 7, "do_lower_case": True},
        "1_Pooling/config.json": {"word_embedding_dimension": 8, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False,
                                  "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": True},
        "config_sentence_transformers.json": {"prompts": {"ask": "ask: "}, "default_prompt_name": "ask"},
    }
    for name, content in written.items():
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(json.dumps(content) + "\n")
    return SentenceTransformer(str(target), device="cpu").eval()


small = RobertaConfig(vocab_size=290, max_position_embeddings=26, type_vocab_size=1, pad_token_id=1, **SMALL)
built["old"] = old_layout(shaken(RobertaModel(small)), byte_pairs())
cases = []
for name, model in built.items():
    for options in [{}, {"prompt": "query: "}, {"truncate_dim": 3}, {"truncate_dim": 3, "normalize_embeddings": True}]:
        vectors = model.encode(TEXTS, batch_size=1, convert_to_numpy=True, show_progress_bar=False, **options)
        cases.append({"model": name, **options, "vectors": [[float(f"{value:.8g}") for value in row] for row in vectors.tolist()]})

versions = {"sentence-transformers": sentence_transformers.__version__, "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__, "torch": torch.__version__}
with open(FOLDER / "sentences.json", "w") as file:
    json.dump({"made_by": versions, "texts": TEXTS, "cases": cases}, file, ensure_ascii=False, separators=(",", ":"))
    file.write("\n")
