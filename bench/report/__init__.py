# SPDX-License-Identifier: BSD-3-Clause
"""What bench/run makes of its figures: tables in the documentation, and plots."""
