"""Generation: from ids and pictures to ids. It knows neither text nor templates; `chiasm.backends` joins them to it."""
