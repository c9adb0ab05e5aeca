"""ViT-B/16 (Dosovitskiy et al. 2020), BERT (Devlin et al. 2018), MiniLM (Wang et al. 2020) and an
LSTM: attention and recurrence.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

BERT_WORDS = 30522


def vit_b_16() -> nn.Module:
    return VisionTransformer(768, 12, 12)


def bert_base() -> nn.Module:
    return Bert(768, 12, 12)


def minilm() -> nn.Module:
    return Bert(384, 6, 12)


def lstm() -> nn.Module:
    return LongShortTerm()


class Attention(nn.Module):
    """Of a sequence to itself. mask: added to the scores."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        query, key, value = (self._split(layer(x)) for layer in (self.query, self.key, self.value))
        y = functional.scaled_dot_product_attention(query, key, value, mask)
        return self.output(y.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        batch, steps, width = x.shape
        return x.view(batch, steps, self.heads, width // self.heads).transpose(1, 2)


def _feed_forward(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class VitBlock(nn.Module):
    """Norms in front of the layers."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.feed_forward = _feed_forward(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.5 * torch.randn(1, 14 * 14 + 1, width))
        self.blocks = nn.Sequential(*(VitBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, 1000)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


class BertBlock(nn.Module):
    """Norms behind the sums."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.feed_forward = _feed_forward(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x, mask))
        return self.norm2(x + self.feed_forward(x))


class Bert(nn.Module):
    """The encoder: words in, a vector for each of them and one for all out."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.words = nn.Embedding(BERT_WORDS, width)
        self.positions = nn.Embedding(512, width)
        self.types = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.blocks = nn.ModuleList(BertBlock(width, heads) for _ in range(depth))
        self.pooler = nn.Linear(width, width)

    def forward(self, words: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor, Tensor]:
        steps = torch.arange(words.shape[1])
        x = self.norm(self.words(words) + self.types(types) + self.positions(steps))
        bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for block in self.blocks:
            x = block(x, bias)
        return x, torch.tanh(self.pooler(x[:, 0]))


class LongShortTerm(nn.Module):
    """Two layers over 50 steps of 128 features; a class by the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.LSTM(128, 128, num_layers=2)
        self.head = nn.Linear(128, 10)

    def forward(self, steps: Tensor) -> Tensor:
        return self.head(self.layers(steps)[0][-1])
