"""Write scikit-learn's handwritten digits as the table that the C++ example reads: 64 pixels and the label a row.

python export_digits.py digits.csv
"""

import sys

import numpy as np
from sklearn.datasets import load_digits

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    X, y = load_digits(return_X_y=True)
    np.savetxt(sys.argv[1], np.column_stack([X, y]), fmt="%d", delimiter=",")
