"""Kumar et al. 2023, "Grokking as the Transition from Lazy to Rich Training Dynamics".

@inproceedings{kumar2024grokking,
    author={Kumar, Tanishq and Bordelon, Blake and Gershman, Samuel J. and Pehlevan, Cengiz},
    title={Grokking as the Transition from Lazy to Rich Training Dynamics},
    booktitle={International Conference on Learning Representations},
    year={2024},
}
"""
