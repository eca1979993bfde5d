"""The demo's search by meaning, on the real model, where no network can be reached; and its pieces of words beside another's."""

import socket

from flow import given, result
from tokenizers import BertWordPieceTokenizer

from remit_demo.documents.archive import archive
from remit_demo.documents.embeddings import MeaningIndex, Vocabulary


def refuse(*_, **__):
    raise AssertionError("the model went out")


socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse

papers = archive()
texts = [f"{each.title}. {each.text}" for each in papers] + given["texts"]
other = BertWordPieceTokenizer(given["vocabulary"], lowercase=True)
ours = Vocabulary()
index = MeaningIndex(papers)
result(
    {
        "differ": [text for text in texts if ours.numbers(text) != other.encode(text).ids],
        "best": {query: [each.id for each in index.best(query, 3)] for query in given["queries"]},
    }
)
