"""What an operator's marks change, without touching the detector itself.

Three pieces, for any detector: levels recalibrated by confirmed normals (`recalibration`), a few
weights on the residuals (`residual_head`), and the judge that keeps a step only if it helps on
marks held out (`guard`).
"""
