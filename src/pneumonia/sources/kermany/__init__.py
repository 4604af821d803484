"""The films of Kermany et al. 2018: children, normal, bacterial or viral."""
