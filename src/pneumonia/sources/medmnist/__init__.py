"""PneumoniaMNIST: the films of Kermany et al., square and small."""
