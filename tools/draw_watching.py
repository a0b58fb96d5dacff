"""Draw docs/watching.svg: what a notebook shows of a network that has been trained, as one picture.

python tools/draw_watching.py
"""

from pathlib import Path

from sklearn.datasets import load_digits

import lamina
from lamina.html.drawings import FIRST, SECOND, Line, curves, layers
from lamina.html.elements import element, fragment

PAGE = Path(__file__).parents[1] / "docs" / "watching.svg"
# The drawings have the colour of the text around them; in a picture that is this one.
STYLE = "svg { color: #1c1e21 } @media (prefers-color-scheme: dark) { svg { color: #e6e8eb } }"


def trained():
    X, y = load_digits(return_X_y=True)
    hidden = [lamina.Dense(64, "relu"), lamina.BatchNorm(), lamina.Dropout(0.3)]
    net = lamina.Network([*hidden, lamina.Dense(10)], n_inputs=64, loss="cross_entropy", normalize_inputs=True)
    net.fit(X, y, metrics=["accuracy", "auc"], epochs=30)
    return net


def placed(drawing, x, y):
    drawing.set("x", str(x))
    drawing.set("y", str(y))
    return drawing


def main():
    net = trained()
    history = net.history
    losses = [Line("training loss", FIRST, [history.loss]), Line("validation loss", SECOND, [history.validation_loss])]
    accuracy = [Line("accuracy of the validation part", SECOND, [history.metrics["accuracy"]])]
    picture = element(
        "svg",
        element("title", "A network and its fit, as a notebook shows them"),
        element("style", STYLE),
        placed(layers(net.blocks(), "Layers"), 160, 0),
        placed(curves(losses, "Losses by epoch", history.best_epoch), 10, 205),
        placed(curves(accuracy, "Accuracy by epoch", history.best_epoch), 370, 205),
        xmlns="http://www.w3.org/2000/svg",
        viewBox="0 0 720 345",
        width="720",
        height="345",
    )
    PAGE.write_text(fragment(picture) + "\n")


if __name__ == "__main__":
    main()
